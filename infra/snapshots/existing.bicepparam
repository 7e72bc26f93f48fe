// The system topic and the outcome account exist, in other groups. Every option differs from its default.
using '../main.bicep'

param environmentName = 'acs-events'
param location = 'westeurope'
param systemTopicId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-topic/providers/Microsoft.EventGrid/systemTopics/evgt-existing'
param outcomeStorageAccountId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-storage/providers/Microsoft.Storage/storageAccounts/stexisting'
param chatLevel = 'thread'
param openTelemetry = false
param outcomeTtlSeconds = 604800
param retentionDays = 30
param alwaysReadyInstances = 1
param alertEmail = 'operator@contoso.example'
param operatorPrincipalId = '11111111-1111-1111-1111-111111111111'
